"""`syncline.v1.AdminService`: what an operator does, over gRPC, on listeners of its own."""
