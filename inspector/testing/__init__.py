"""For tests, ours and a plugin author's: planted models and the laws that every detector keeps."""
