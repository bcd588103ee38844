"""Process mechanics that every Headrace service shares; knows no service and no product noun."""
