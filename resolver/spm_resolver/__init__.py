"""The resolver: one algorithm, pure and lazy; spec/resolver.md describes it."""
