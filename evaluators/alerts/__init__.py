"""Fail rates by cohort become incidents, incidents become messages."""
