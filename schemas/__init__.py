"""What a record is: dataclasses, JSON Schemas and the Arrow schema. Imports nothing of ours."""
