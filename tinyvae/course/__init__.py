"""The course: assignments from the tasks, graded by a parent that holds the answers while students' code runs in a child."""
