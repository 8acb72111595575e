"""Mutation testing of the code that decides: what would a fault there cost before a test tells?"""
