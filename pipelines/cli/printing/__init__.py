"""What commands print. Commands import these modules when they need them, so that the others respond immediately."""
