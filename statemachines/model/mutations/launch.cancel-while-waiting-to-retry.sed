# A cancel between two tries of exec gives everything back.
/^state exec_waiting/,/^state verifying/ s/^(  cancel .*)give_back /\1/
