"""Pure judgements about a picture: no network, no disk layout, no other package of ours."""
