//! The one HTTP client, with limits on address, redirect, size and time.
