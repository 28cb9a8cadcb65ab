return { PRIORITY = "high" }
