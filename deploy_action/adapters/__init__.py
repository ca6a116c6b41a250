"""Adapters: one module or package per external system, independent of each other."""
