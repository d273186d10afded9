"""Answers in the scripts of the world, and texts that fonts, terminals and files stumble on."""

from __future__ import annotations

# Tokens of an answer in each script; the second one is the word that a figure is about.
ANSWERS: dict[str, tuple[str, ...]] = {
    "Chinese": ("这是", "一只", "猫", "，", "坐在", "「", "草地", "」", "上", "。"),
    "Japanese": ("これは", "猫", "です", "。"),
    "Korean": ("이것은", " 고양이", "입니다", "."),
    "Arabic": ("هذه", " قط", "ة", " صغيرة", " (3", ".5", " سم)", " على", " لائحة", "."),
    "Hebrew": ("זה", " חתול", " (12%)", " בָּ", "גן", " and", " dog", "."),
    "Thai": ("นี่คือ", "แมว", "ที่", "น่ารัก"),
    "Hindi": ("यह", " बिल्ली", " है", "।"),
    "Bengali": ("এটি", " বিড়াল"),
    "Tamil": ("இது", " பூனை"),
    "Russian": ("Это", " кошка", "."),
    "Greek": ("Αυτή", " γάτα", "."),
    "Vietnamese": ("Đây", " mèo", " ở", " bãi", " cỏ", "."),
}

# Words of marks alone: vowel signs of Arabic, Hebrew and Hindi, an accent, a variation selector.
MARKS = ("\u064e", "\u0650\u0651", "\u05b8", "\u093f", "\u0301", "\u20e3", "\ufe0f")

EMOJI = ("a", " 😀", " 🦊", " 👩‍👩‍👧", " ❤️", " 🏳️‍🌈")

# Names of files: too long for a file system, or of characters that are few letters and many bytes.
LONG_NAME = "x" * 246
LONG_BYTES = "猫" * 80
