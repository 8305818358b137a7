"""In: what a finished run left, as loaded JSON; out: one HTML page. It knows no files, models or stores."""
