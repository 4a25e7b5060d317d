"""What is trained on: the embedded terrain scenes, or a folder of images."""
