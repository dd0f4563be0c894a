"""Questions with accepted answers, built in or from public sets, and prompts."""
