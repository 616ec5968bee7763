"""The pictures of README and docs: `script/screenshots`."""
