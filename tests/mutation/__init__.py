"""Mutation testing of what decides: does any test notice when a rule of `core` is wrong?"""
