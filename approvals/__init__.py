"""People: who they are, which security keys they hold, and the one ceremony through which they consent."""
