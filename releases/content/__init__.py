"""What a release is made of: tables, multimodal file, dictionary, manifest."""
