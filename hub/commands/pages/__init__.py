"""The pages that are generated: tables in docs/ between markers, and the reference of the API as one HTML file.

Each is made from what the hub itself runs by: descriptors and their comments, the table of errors, the tables of roles and reasons, limits
and settings. Tests hold the tables in docs/ to what would be generated now.
"""
