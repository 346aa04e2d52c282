"""Children of an instrumented process are instrumented too."""
