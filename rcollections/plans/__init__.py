"""The logic of this library, written once as plans: generators that yield effects and do no I/O."""
