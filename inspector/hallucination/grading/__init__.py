"""Right, wrong or abstained: answers graded against accepted ones."""
