"""What `kzxx` of a usage message means, one file a field of life; each maps scenarios to builders of the kind.

A builder takes the message and its `kzxx` and returns an event that has nothing but its kind. Codes of tables the
interface owns are refused when unknown; codes of national tables pass as unspecified and the hub quarantines them.
"""
