"""What the region network learns from: its teachers, their labels for a folder of photographs, and the samples."""
