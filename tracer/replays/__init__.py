"""A recorded run executed again: its models, tools and retrievers are answered as recorded."""
