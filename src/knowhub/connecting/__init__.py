"""What all connectors to vendors' APIs do the same way: options, choosing containers, attachments, censuses."""
