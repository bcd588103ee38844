"""Fakes that ship as product, so that every service's tests use the same ones."""
