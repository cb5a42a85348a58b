"""LSA mode: what a worker (or embedded mode) runs the LSA halves of one module with."""
