"""A simulated Cursor: AgentService over HTTP/2, and the calls around it over either HTTP."""
