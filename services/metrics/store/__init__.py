"""What the metrics service keeps in MongoDB: generations, positions, dossiers, rows, step functions, publications."""
