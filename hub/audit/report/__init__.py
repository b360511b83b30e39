"""Reports of audits: one outcome as a page of HTML and as a PDF that anybody can make again, byte for byte."""
