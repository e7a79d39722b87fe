"""What consumes the stream of accepted images: stages that derive, exports that lay out."""
