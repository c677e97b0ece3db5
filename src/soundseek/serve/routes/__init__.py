"""What the server answers, a module a part; `soundseek.serve.app` has the table of them."""
