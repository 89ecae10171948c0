# A removed socket between two tries of exec gives everything back.
/^state exec_waiting/,/^state verifying/ s/^(  swept .*)give_back /\1/
