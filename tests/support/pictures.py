"""The smallest valid files of the kinds that clients attach, as base64."""

from gateway_core.testing.conversations.pictures import GIF_BASE64, PDF_BASE64, PNG_BASE64

__all__ = ["GIF_BASE64", "PDF_BASE64", "PNG_BASE64"]
