"""What goes over the wire, whatever the API: connections, and keys that come back."""
