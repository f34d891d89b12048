"""What a bucket's responses become: records, or rejected ones with their reason."""
