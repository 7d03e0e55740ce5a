"""The dashboard: screens draw records that the store returns."""
