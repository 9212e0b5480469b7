"""The pictures in `docs/screenshots`, made by driving the demonstration (`make screenshots`)."""
