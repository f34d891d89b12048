"""The guard: may this teacher be asked, for this use, by us, today?"""
