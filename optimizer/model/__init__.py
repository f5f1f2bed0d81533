"""The investment model: one module per concern, each with its variables, constraints and named costs."""
