"""The data pages: views, their forms, and what they show."""
