"""What the conventions share: values, messages, documents, identities and verdicts."""
