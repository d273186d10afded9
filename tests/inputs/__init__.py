"""Inputs as people have them, made small by code: pictures, videos, data sets, text.

Each module holds one kind; nothing here is a test. A function returns bytes or writes below a
folder that it is given.
"""
