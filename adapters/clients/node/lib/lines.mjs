// Files of lines that outlive a power cut: a line is on disk before `append` returns, and one without its end counts for nothing.
import { closeSync, existsSync, fstatSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** The lines of a file: what was being written when the power failed is not among them, and nobody was promised it. */
export function wholeLines(path) {
  const bytes = existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
  return bytes.toString("utf8", 0, bytes.lastIndexOf("\n") + 1).split("\n").slice(0, -1);
}

/** How many bytes these lines have, whatever bytes they are. */
export const wholeSize = (path) => (existsSync(path) ? readFileSync(path).lastIndexOf("\n") + 1 : 0);

export function append(file, lines) {
  const size = fstatSync(file).size;
  try {
    writeFileSync(file, lines.map((line) => `${line}\n`).join(""));
    fsyncSync(file);
  } catch (error) {
    // Half a line, as on a full disk, would spoil the next.
    ftruncateSync(file, size);
    throw error;
  }
}

/** Writes a file whole, for its owner alone; a rename puts it in its place. */
export function writeWhole(path, content) {
  const file = openSync(path, "w", 0o600);
  writeFileSync(file, content);
  fsyncSync(file);
  closeSync(file);
}

/** A file that was made or renamed is there after a power cut once its folder is on disk. */
export function keepFolder(path) {
  const folder = openSync(dirname(path), "r");
  fsyncSync(folder);
  closeSync(folder);
}
