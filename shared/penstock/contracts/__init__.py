"""The language that Penstock's services speak: immutable values and messages. Imports nothing of ours."""
