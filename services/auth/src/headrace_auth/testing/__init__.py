"""What auth's tests share: a small directory of people, and the suite that every Store passes."""
