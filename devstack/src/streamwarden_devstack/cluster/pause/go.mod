module streamwarden.io/pause

go 1.26
