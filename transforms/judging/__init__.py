"""Rating answers by a model: what the judge is asked, what it says, and what follows from it."""
