"""Steps, read one by one, put together into the trajectory they belong to."""

from waypost.assembly.apart import take_apart
from waypost.assembly.assemble import assemble
from waypost.assembly.cohort import Cohorts, cohort_of

__all__ = ["Cohorts", "assemble", "cohort_of", "take_apart"]
