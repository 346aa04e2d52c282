"""One call becomes a plan of cases. This file opens nothing, so that a first call loads no discovery."""
