"""Workflow and agent definitions: from text to checked values, and the expressions in them."""

from penstock.definition.load import LoadedDefinition, check, from_document, load

__all__ = ["LoadedDefinition", "check", "from_document", "load"]
