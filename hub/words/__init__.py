"""What codes are called, Chinese and English: one table of terms for commands, pages and documents. It imports nothing of the hub."""
